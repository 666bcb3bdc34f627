package notifiers

import (
	"strings"

	"tocsin"
)

// slackCodes says what each error code of Slack's methods means for a delivery.
// Source: the error tables of the methods' pages at https://docs.slack.dev.
var slackCodes = codes(map[tocsin.Verdict]string{
	tocsin.Rate: "rate_limited ratelimited message_limit_exceeded",

	tocsin.Retry: `service_unavailable team_added_to_org org_login_required external_channel_migrating
		update_failed list_record_comment_fetch_failed hash_conflict`,

	tocsin.Ambiguous: `fatal_error internal_error request_timeout streaming_state_conflict
		duplicate_message_not_found duplicate_channel_not_found`,

	tocsin.Gone: `is_archived is_inactive channel_not_found not_in_channel user_not_in_channel
		restricted_action restricted_action_read_only_channel restricted_action_thread_only_channel
		restricted_action_non_threadable_channel restricted_action_thread_locked
		posting_to_channel_denied channel_is_limited_access method_not_supported_for_channel_type
		ekm_access_denied messages_tab_disabled cannot_reply_to_message thread_not_found too_many_members
		user_not_found user_not_visible`,

	tocsin.Install: `invalid_auth not_authed account_inactive token_revoked token_expired missing_scope
		app_access_restricted not_allowed_token_type accesslimited team_not_found forbidden_team
		insecure_request access_denied no_permission team_access_not_granted two_factor_setup_required
		enterprise_is_restricted user_is_restricted deprecated_endpoint not_enabled`,

	tocsin.NoEdit: `message_not_found cant_update_message edit_window_closed block_mismatch
		no_dual_broadcast_content_update cant_broadcast_message`,

	// Codes about what we never send: if one comes, the message is at fault and
	// a person has to look.
	tocsin.Refused: slackPlainable + `
		as_user_not_supported send_on_behalf_not_allowed not_found not_implemented
		draft_already_deleted draft_already_sent draft_has_conflict draft_not_found
		slack_connect_canvas_sharing_blocked slack_connect_file_link_sharing_blocked
		slack_connect_lists_sharing_blocked slack_connect_blocked_file_type
		slack_connect_clip_sharing_blocked slack_connect_file_upload_sharing_blocked
		blocked_file_type file_deleted file_is_deleted file_not_found file_share_limit_reached
		max_file_sharing_exceeded missing_file_data unable_to_share_files too_many_contact_cards
		invalid_cursor invalid_limit invalid_types invalid_ts_latest invalid_ts_oldest
		invalid_metadata_filter_keys missing_argument missing_args invalid_arguments invalid_arg_name
		invalid_array_arg invalid_charset invalid_form_data invalid_post_type missing_post_type
		missing_profile_id too_many_users view_too_large duplicate_external_id invalid_trigger_id
		expired_trigger_id exchanged_trigger_id`,
})

// slackThreadCodes are the codes that refuse a message beneath another, or all may
// see of it, and say nothing against one that stands by itself.
var slackThreadCodes = codes(map[tocsin.Verdict]string{
	tocsin.NoEdit: `cannot_reply_to_message thread_not_found message_not_found restricted_action_thread_locked
		restricted_action_non_threadable_channel cant_broadcast_message`,
})

// slackPlainable are the codes that refuse the form of a message and not its
// text: it is sent once more without what was refused.
const slackPlainable = `invalid_blocks invalid_blocks_format msg_blocks_too_long msg_too_long no_text
	markdown_text_conflict too_many_attachments invalid_attachments attachment_payload_limit_exceeded
	metadata_too_large invalid_metadata_format invalid_metadata_schema metadata_must_be_sent_from_app`

var plainable = codes(map[tocsin.Verdict]string{tocsin.Refused: slackPlainable})

func codes(by map[tocsin.Verdict]string) map[string]tocsin.Verdict {
	m := map[string]tocsin.Verdict{}
	for v, names := range by {
		for name := range strings.FieldsSeq(names) {
			m[name] = v
		}
	}
	return m
}

// slackAdvice is what a person can do about a code.
var slackAdvice = map[string]string{
	"not_in_channel":        "invite the app to the channel: /invite @tocsin",
	"channel_not_found":     "check the channel's id, and invite the app if the channel is private",
	"is_archived":           "unarchive the channel or give the destination another",
	"is_inactive":           "unarchive the channel or give the destination another",
	"restricted_action":     "ask a workspace admin to let the app post in this channel",
	"invalid_auth":          "check slack.token: it must be the bot token (xoxb-…) of the installed app",
	"not_authed":            "set slack.token",
	"account_inactive":      "the app was removed from the workspace: install it again and set slack.token",
	"token_revoked":         "install the app again and set slack.token",
	"token_expired":         "switch token rotation off for the app, install it again and set slack.token",
	"missing_scope":         "add the scope to the app and install it again",
	"team_not_found":        "check that the channel belongs to the workspace of slack.token",
	"app_access_restricted": "ask a workspace admin to approve the app",
}
