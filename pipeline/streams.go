package pipeline

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"
)

// Names of the logs and buckets. They are promises: a backup holds them.
const (
	streamItems  = "ITEMS"
	streamAlerts = "ALERTS"
	streamLedger = "LEDGER"
	streamAudit  = "AUDIT"
	streamCanary = "CANARY"

	bucketSources = "SOURCES"
	bucketWatch   = "WATCH"
	bucketLease   = "LEASE"

	streamWatch = "KV_" + bucketWatch
)

const (
	day           = 24 * time.Hour
	keepAlerts    = 10 * 365 * day
	keepLedger    = 400 * day
	keepItems     = 400 * day
	watchHistory  = 64
	leaseMarkers  = time.Minute // how long the bucket keeps the marker of an expired lease
	canaryBytes   = 16 << 20
	duplicatesWin = time.Second // message ids are not used: sequences fence every append
)

// Streams lists the logs in the order of the data's way.
var Streams = []string{streamItems, streamAlerts, streamLedger, streamAudit}

// Setup creates the logs and buckets that do not exist and brings the others to
// the present configuration. Replicas is 1 for an embedded server; items are
// kept for keep, 0 means 400 days.
func Setup(ctx context.Context, b *Bus, replicas int, keep time.Duration) error {
	if keep == 0 {
		keep = keepItems
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, c := range []jetstream.StreamConfig{
		{Name: streamItems, Subjects: []string{"items.*", "quarantine.*", "raw.*.*"}, MaxAge: keep, DenyDelete: true, AllowAtomicPublish: true},
		{Name: streamAlerts, Subjects: []string{"alerts.*"}, MaxAge: keepAlerts, DenyDelete: true},
		{Name: streamLedger, Subjects: []string{"ledger.*.*"}, MaxAge: keepLedger},
		{Name: streamCanary, Subjects: []string{"canary.*"}, MaxAge: day, MaxBytes: canaryBytes},
		{Name: streamAudit, Subjects: []string{"audit.*.*"}, MaxAge: keepAlerts, DenyDelete: true},
	} {
		c.Replicas, c.Storage, c.Compression = replicas, jetstream.FileStorage, jetstream.S2Compression
		c.AllowDirect, c.Duplicates = true, duplicatesWin
		g.Go(func() error {
			if _, err := b.JS.CreateOrUpdateStream(ctx, c); err != nil {
				return fmt.Errorf("set up stream %s: %w", c.Name, err)
			}
			return nil
		})
	}
	for _, c := range []jetstream.KeyValueConfig{
		{Bucket: bucketSources, History: 1, Compression: true},
		{Bucket: bucketWatch, History: watchHistory},
		{Bucket: bucketLease, History: 1, LimitMarkerTTL: leaseMarkers},
	} {
		c.Replicas, c.Storage = replicas, jetstream.FileStorage
		g.Go(func() error {
			if _, err := b.JS.CreateOrUpdateKeyValue(ctx, c); err != nil {
				return fmt.Errorf("set up bucket %s: %w", c.Bucket, err)
			}
			return nil
		})
	}
	return g.Wait()
}
