package slackapp

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"tocsin"
)

const (
	signedFor = 5 * time.Minute // before and after now; Source: https://docs.slack.dev/authentication/verifying-requests-from-slack
	maxBody   = 1 << 20         // a view with its state is below 300 kB
)

// verify reports why a request is not one that Slack signed just now.
func verify(secret tocsin.Secret, timestamp, signature string, body []byte, now time.Time) error {
	if secret == "" {
		return errors.New("there is no signing secret")
	}
	at, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || strconv.FormatInt(at, 10) != timestamp {
		return errors.New("its timestamp is none")
	}
	if age := now.Sub(time.Unix(at, 0)); age > signedFor || age < -signedFor {
		return fmt.Errorf("it was signed %s from now", age.Round(time.Second))
	}
	given, err := hex.DecodeString(strings.TrimPrefix(signature, "v0="))
	if err != nil || !strings.HasPrefix(signature, "v0=") {
		return errors.New("its signature is none")
	}
	m := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(m, "v0:%s:", timestamp)
	m.Write(body)
	if !hmac.Equal(given, m.Sum(nil)) {
		return errors.New("its signature is not by our secret")
	}
	return nil
}

// Handler takes what Slack sends over HTTP: commands, interactions and events, all
// at one address. What Slack did not sign within five minutes, and what came or may
// have come before, is refused with 401. It is an error to ask for one without a signing
// secret. What it takes is worked off by Run.
func (a *App) Handler() (http.Handler, error) {
	if a.SigningSecret == "" {
		return nil, errors.New("slack app: the signing secret is missing: without it anybody could give commands")
	}
	return &handler{a}, nil
}

type handler struct{ app *App }

// ServeHTTP takes one request.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "POST only", http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "too large or cut off", http.StatusRequestEntityTooLarge)
		return
	}
	timestamp, signature := r.Header.Get("X-Slack-Request-Timestamp"), strings.ToLower(r.Header.Get("X-Slack-Signature"))
	err = verify(h.app.SigningSecret, timestamp, signature, body, time.Now())
	if err == nil {
		err = h.app.Seen.signed(signature, timestamp)
	}
	if err != nil {
		h.app.Log.Warn("request refused", "why", err)
		http.Error(w, "not signed by Slack, or not now", http.StatusUnauthorized)
		return
	}
	kind, payload, err := unpack(r.Header.Get("Content-Type"), body)
	if err != nil {
		http.Error(w, "not understood", http.StatusBadRequest)
		return
	}
	answer(w, kind, payload, h.app.take(kind, payload))
}

// unpack finds what is in a request.
func unpack(contentType string, body []byte) (kind string, payload json.RawMessage, err error) {
	if media, _, _ := mime.ParseMediaType(contentType); media == "application/json" {
		return eventsAPI, body, nil
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return "", nil, err
	}
	if p := form.Get("payload"); p != "" {
		return interactive, json.RawMessage(p), nil
	}
	payload, err = json.Marshal(slash{
		form.Get("team_id"), form.Get("channel_id"), form.Get("user_id"), form.Get("text"), form.Get("response_url"), form.Get("trigger_id"),
	})
	return slashCommands, payload, err
}

func answer(w http.ResponseWriter, kind string, payload json.RawMessage, ack any) {
	if kind == eventsAPI { // Slack asks once whether the address is ours
		var c struct{ Type, Challenge string }
		if json.Unmarshal(payload, &c) == nil && c.Type == "url_verification" {
			w.Header().Set("Content-Type", "text/plain")
			w.Header().Set("X-Content-Type-Options", "nosniff")
			fmt.Fprint(w, cut(c.Challenge, 200))
			return
		}
	}
	if ack == nil {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(ack)
}
