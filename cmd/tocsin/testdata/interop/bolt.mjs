// Slack's own receiver, @slack/bolt. "node bolt.mjs serve PORT SECRET" is an app that
// says what it takes, one JSON object a line. "node bolt.mjs judge" reads requests, one
// JSON object a line, and says of each whether Slack's code holds it for signed.
import { readFileSync } from 'node:fs';
import bolt from '@slack/bolt';

const [, , mode, port, signingSecret] = process.argv;
const say = (what) => console.log(JSON.stringify(what));

if (mode === 'judge') {
  for (const line of readFileSync(0, 'utf8').split('\n').filter(Boolean)) {
    const r = JSON.parse(line);
    const headers = { 'x-slack-signature': r.signature, 'x-slack-request-timestamp': r.stamp };
    say(bolt.isValidSlackRequest({ signingSecret: r.secret, body: r.body, headers, nowMilliseconds: r.now * 1000 }));
  }
} else {
  const receiver = new bolt.HTTPReceiver({ signingSecret, endpoints: ['/slack/app'], logLevel: bolt.LogLevel.ERROR });
  const app = new bolt.App({ receiver, authorize: async () => ({ botToken: 'xoxb-none', botId: 'B0000001', botUserId: 'U0000001' }), logLevel: bolt.LogLevel.ERROR });
  app.command('/tocsin', async ({ command, ack }) => {
    say({ command: command.text, user: command.user_id, channel: command.channel_id });
    await ack({ response_type: 'ephemeral', text: `heard ${command.text}` });
  });
  app.action(/^tocsin_/, async ({ action, body, ack }) => {
    say({ action: action.action_id, value: action.value, user: body.user.id });
    await ack();
  });
  app.view('tocsin_watchlist', async ({ view, ack }) => {
    say({ view: view.callback_id });
    await ack();
  });
  app.event('app_home_opened', async ({ event }) => say({ event: event.type, user: event.user }));
  await receiver.start({ host: '127.0.0.1', port: Number(port) });
}
