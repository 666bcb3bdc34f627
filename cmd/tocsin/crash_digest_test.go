package main

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"tocsin/notifiers/notifiertest"
)

// Channels by how they get what is published for them; all others get it at once,
// and of those people mute some. The mailbox of the same number is like its channel.
const (
	hourlyChannel = 11
	firstDaily    = 12
	firstFolding  = 16 // more than 20 waiting posts are told in one
	firstEager    = 18 // more than 3 are
)

// dailyZones are those of the channels from firstDaily on.
var dailyZones = []string{"UTC", "Asia/Kathmandu", "Asia/Kolkata", "America/St_Johns"}

// policy is when the subscriptions to channel i send.
func (w *world) policy(i int) string {
	switch {
	case i >= firstEager:
		return ", fold_over: 3"
	case i >= firstFolding:
		return ""
	case i < hourlyChannel || w.released:
		return ", fold_over: never"
	case i == hourlyChannel:
		return ", digest: hourly"
	}
	name := dailyZones[i-firstDaily]
	zone, err := time.LoadLocation(name)
	if err != nil {
		w.t.Fatal(err)
	}
	return fmt.Sprintf(", digest: %q", w.due[i].In(zone).Format("daily 15:04 ")+name)
}

// retime has people set daily digests to another time once they were due for a
// while, so that each comes due every minute or two.
func (w *world) retime() {
	now := time.Now()
	for i := firstDaily; i < firstFolding; i++ {
		if w.due[i].Before(now.Add(-10 * time.Second)) {
			w.due[i] = now.Truncate(time.Minute).Add(time.Minute * time.Duration(1+i%2))
		}
	}
}

// many is how many statements are published for channel i at a time: now and then
// more than its subscriptions post one by one.
func (w *world) many(i int) int {
	switch {
	case i >= firstEager && w.rnd.IntN(5) == 0:
		return 5
	case i >= firstFolding && i < firstEager && w.rnd.IntN(25) == 0:
		return 25
	}
	return w.rnd.IntN(2)
}

var alertCount = regexp.MustCompile(`^(?:tocsin: )?(?:\(possible repeat\) )?(\d+) alerts?(?: at once| was held| were held|, newest|$)`)

// digestOf is how many alerts a text says that it tells of, 0 if it is no digest.
func digestOf(text string) int {
	f := alertCount.FindStringSubmatch(text)
	if f == nil {
		return 0
	}
	n, _ := strconv.Atoi(f[1])
	return n
}

func deliveryOf(m notifiertest.Message) string {
	id, _ := m.Metadata.Payload["id"].(string)
	return id
}
