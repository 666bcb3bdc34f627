package feeds

import (
	"bytes"
	"encoding/json"
	"time"
)

// MarshalJSON writes Updated as RFC 3339 in UTC, or "" where it is absent.
func (f Feed) MarshalJSON() ([]byte, error) {
	type fields Feed
	return marshal(struct {
		fields
		Updated string `json:"updated"`
	}{fields(f), stamp(f.Updated)})
}

// MarshalJSON writes times as RFC 3339 in UTC, or "" where they are absent, and
// lists as arrays where they are nil.
func (e Entry) MarshalJSON() ([]byte, error) {
	return marshal(struct {
		GUID      string   `json:"guid"`
		URL       string   `json:"url"`
		Title     string   `json:"title"`
		Summary   string   `json:"summary"`
		Text      string   `json:"text"`
		Published string   `json:"published"`
		Updated   string   `json:"updated"`
		Lang      string   `json:"lang"`
		Authors   []string `json:"authors"`
		Tags      []string `json:"tags"`
	}{
		e.GUID, e.URL, e.Title, e.Summary, e.Text, stamp(e.Published), stamp(e.Updated), e.Lang,
		append([]string{}, e.Authors...), append([]string{}, e.Tags...),
	})
}

// MarshalJSON writes lists as arrays where they are nil.
func (d Document) MarshalJSON() ([]byte, error) {
	type fields Document
	d.Repairs = append([]string{}, d.Repairs...)
	d.Items = append([]Entry{}, d.Items...)
	return marshal(fields(d))
}

// marshal leaves <, > and & as they are; an encoder that shall escape them does
// so itself.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimRight(b.Bytes(), "\n"), err
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
