"""Prompts and answers on spans, for those who ask for it. Off by default.

`_settings` says whether and how. Only where content is wanted, `_switch` loads `_capture`,
which `_invocation` asks once at the start of a call and through the answer's own reader at its
end; so a process that wants none pays one check. Content goes onto the request span and nowhere
else: not onto attempts, metrics, logs, or pending spans.

`_reader` says what a format's reader offers, `_chat` to `_gemini` are the readers, `_parts` builds
what the conventions call message parts, `_drafts` lets messages grow with a stream, `_redact`
applies the application's hook, `_limit` cuts to size.
"""
