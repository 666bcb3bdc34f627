// Package slackapp is the part of a Slack app that people talk to: the /tocsin
// command, modals, the app's home and the buttons of alerts. What it may do it is
// handed as a Desk; it posts no alerts.
//
// # Properties
//
//   - Slack hears at once that a command, click or event arrived. The work is done
//     after that and its answer goes to the response_url or into a view.
//   - What comes twice, over two connections or again, is handled once.
//   - What one workspace asks for is known to its Desk alone.
//   - Who may not change something changes nothing; what is changed carries
//     slack:<team>:<user>.
//   - Over HTTP only what Slack signed within five minutes is taken, and once.
package slackapp
