package notifiers

import "tocsin"

// SlackVerdict is what an error code of Slack's methods means, "" for one that
// this version does not know.
func SlackVerdict(code string) tocsin.Verdict { return slackCodes[code] }

// SlackAdvice is what a person can do about an error code, "" if nothing.
func SlackAdvice(code string) string { return slackAdvice[code] }

// SlackText is foreign text as mrkdwn shows it and does not obey it, on one line of
// at most max characters.
func SlackText(s string, max int) string {
	m := mrkdwn{max: max}
	m.text(flat(s))
	return m.String()
}

// SlackCode is foreign text as it is shown between backticks, which are not part of
// it: what people may copy.
func SlackCode(s string, max int) string {
	m := mrkdwn{max: max}
	m.escape(flat(s), slackCode)
	return m.String()
}
