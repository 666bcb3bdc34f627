// Slack's own client of Socket Mode, @slack/socket-mode: "node socket.mjs API APPTOKEN".
// It acknowledges what comes and says, one JSON object a line, what it read and wrote.
import { LogLevel, SocketModeClient } from '@slack/socket-mode';

const [, , slackApiUrl, appToken] = process.argv;
const say = (what) => console.log(JSON.stringify(what));
const client = new SocketModeClient({ appToken, logLevel: LogLevel.ERROR, clientOptions: { slackApiUrl, retryConfig: { retries: 0 } } });
client.on('ws_message', (data) => say({ read: JSON.parse(data.toString()) }));
client.on('outgoing_message', (message) => say({ wrote: message }));
client.on('connected', () => say({ now: 'connected' }));
client.on('slash_commands', ({ ack, body }) => ack({ response_type: 'ephemeral', text: `heard ${body.text}` }));
client.on('interactive', ({ ack, body }) => ack(body.type === 'view_submission' ? { response_action: 'errors', errors: { query: 'say more' } } : undefined));
client.on('app_home_opened', ({ ack }) => ack());
client.start().catch((err) => {
  say({ now: `refused: ${err.data?.error ?? err.message}` });
  process.exit(0);
});
