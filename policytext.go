package tocsin

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ParseEscalation reads what people write of where alerts go on to, 10m:duty.
func ParseEscalation(s string) (Escalation, error) {
	after, to, found := strings.Cut(s, ":")
	if days, ok := strings.CutSuffix(after, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 8)
		if err != nil {
			return Escalation{}, fmt.Errorf("%q is not like 10m:duty", s)
		}
		after = fmt.Sprint(n*24, "h")
	}
	d, err := time.ParseDuration(after)
	if !found || err != nil || to == "" {
		return Escalation{}, fmt.Errorf("%q is not like 10m:duty", s)
	}
	return Escalation{After: d, To: to}, nil
}

// String is what ParseEscalation reads.
func (e Escalation) String() string {
	if e.To == "" {
		return ""
	}
	after := e.After.String()
	for _, zero := range []string{"0s", "0m"} { // 10m0s is written 10m, and 2h0m0s 2h
		if short, ok := strings.CutSuffix(after, zero); ok && strings.ContainsAny(short[max(0, len(short)-1):], "mh") {
			after = short
		}
	}
	return after + ":" + e.To
}

// ParseFoldOver reads a Subscription's FoldOver as people write it: a number, never or
// none.
func ParseFoldOver(s string) (int, error) {
	switch s {
	case "never":
		return -1, nil
	case "none":
		return 0, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 10_000 {
		return 0, fmt.Errorf("%q is neither a number from 1 to 10000 nor never", s)
	}
	return n, nil
}
