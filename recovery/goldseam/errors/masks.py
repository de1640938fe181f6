"""The masks that turn an error text into a template, as data, in the order in which they apply.

Called by `fingerprint`. Pure. What varies from call to call is replaced by `<kind>`; what tells one
cause from another stays: words, names of parameters, and names of limits such as TPM and RPD. A
change here raises `fingerprint.VERSION`.
"""

import re
from functools import cache
from typing import Final

_PARAMETERS: Final = frozenset(
    {
        "best_of",
        "cache_control",
        "chat_template_kwargs",
        "content",
        "contents",
        "dimensions",
        "documents",
        "echo",
        "encoding_format",
        "frequency_penalty",
        "function_call",
        "functions",
        "generation_config",
        "guided_json",
        "image_url",
        "input",
        "input_type",
        "inputs",
        "instructions",
        "json",
        "json_object",
        "json_schema",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_new_tokens",
        "max_output_tokens",
        "max_tokens",
        "messages",
        "metadata",
        "min_p",
        "modalities",
        "model",
        "n",
        "parallel_tool_calls",
        "presence_penalty",
        "prompt",
        "random_seed",
        "reasoning",
        "reasoning_content",
        "reasoning_effort",
        "repetition_penalty",
        "response_format",
        "role",
        "safety_identifier",
        "safety_settings",
        "seed",
        "service_tier",
        "stop",
        "stop_sequences",
        "store",
        "stream",
        "stream_options",
        "suffix",
        "system",
        "system_instruction",
        "temperature",
        "texts",
        "thinking",
        "thinking_budget",
        "tool_call_id",
        "tool_calls",
        "tool_choice",
        "tools",
        "top_k",
        "top_logprobs",
        "top_p",
        "truncate",
        "user",
        "verbosity",
    }
)
"""Quoted, these tell one bad request from another, so they stay."""

_FAMILIES: Final = (
    "gpt|chatgpt|davinci|babbage|text-embedding|dall-e|whisper|claude|gemini|gemma|llama|codellama"
    "|meta-llama|mistral|mixtral|codestral|ministral|magistral|pixtral|devstral|qwen|qwq|deepseek"
    "|phi|command-r|command-a|grok|nomic-embed|bge|kimi|glm|granite|nemotron|sonar|jamba"
)
"""Beginnings of model names; what follows must be a separator or a digit."""

_MODEL_START: Final = r"(?<![\w/.-])(?:[\w.-]{1,40}/){0,3}"

_ID_PREFIXES: Final = (
    "req|request|chatcmpl|cmpl|asst|thread|run|msg|call|file|batch|resp|ft|fc|toolu|trace|session"
    "|ray"
)
_TOP_LEVEL: Final = "com|net|org|io|ai|dev|cloud|local|internal|localdomain|lan"
_TIME_WORDS: Final = "seconds?|secs?|minutes?|mins?|hours?|days?"
_DAY: Final = r"\d{4}-\d\d-\d\d"
_CLOCK: Final = r"\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?"
_ZONE: Final = r"(?:Z|UTC|GMT|[+-]\d\d:?\d\d)"
_MONTHS: Final = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_NO_MODEL: Final = (
    "names?|ids?|access|provider|version|field|parameter|type|output|response|which|that|or|and|you|not"
    "|does|is|was|has|cannot|requested|specified|currently|with|in|for|on|to|can|may|must|support|s"
    "|requires?|server|request|context|length|capacity|group|family|endpoint|deployment|group"
)
"""Words behind `model` that are no model."""

_LETTERS_AND_DIGITS: Final = r"(?=[A-Za-z_-]*\d)(?=[\d_-]*[A-Za-z])(?=(?:[A-Za-z_-]*\d){2})"

_JOINTS: Final = "of|to|as|by|in|the|and|or|non|on|self|key|api|per"
"""Parts of words with several hyphens that are English, or name a header."""

_QUOTED: Final = re.compile(
    r"""(?<![\w'"`])(?P<q>['"`])(?P<text>(?:(?!(?P=q)\W|(?P=q)$)[^\n]){1,200}?)(?P=q)(?!\w)"""
)
_NAMED: Final = re.compile(
    r"(?i)\b(?:parameter|param|property|argument|option|header|field)s?:? (?:name )?$"
)
"""What stands before the quoted name of a part of the request; such names stay."""

_NAMED_BEHIND: Final = re.compile(r"(?i) (?:parameter|param|property|argument|option|field)s?\b")
"""What stands behind it."""

_IDENTIFIER: Final = re.compile(r"[A-Za-z][A-Za-z_.]{1,40}")
_ROOT_OF_PATH: Final = re.compile(r"^[A-Za-z_]+")

_MASKS: Final = (
    ("none", r"(?<![\d.,])0(?= for the completion\b)"),  # an embedding: no answer to shorten
    ("<value>", r"\{[A-Za-z_]\w*\}"),  # a placeholder that its program forgot to fill
    ("<value> operation", r"(?i)(?<=\bthe )(?!read|write)\w+ operation\b"),
    ("<value>", r"\b(?:GET|POST|PUT|PATCH|DELETE) /\S*"),
    ("<url>", r"https?://[^\s'\"<>)\]]*[^\s'\"<>)\].,;:!?]"),
    ("<email>", r"\*{3}@\*{3}"),
    ("<email>", r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,6}"),
    ("<model>", rf"(?i){_MODEL_START}(?:{_FAMILIES})(?=[-.:_\d])[\w.:/@-]*\w"),
    ("<model>", r"(?<![\w/.-])(?:openai/)?o[134](?:-[a-z]\w*)*(?:-\d[\w-]*)?(?![\w.])"),
    (".<n>", r"(?<=[A-Za-z_\]])\.\d+(?=[.:\s'\"\]]|$)"),
    ("<model>", r"(?i)(?<=\bmodel: )(?=[\w.:/@-]*[\d_/-])[\w.:/@-]*\w"),
    ("<model>", r"(?i)(?<=\bmodel )(?=[\w.:/@-]*\d)[\w.:/@-]*\w"),
    ("<model>", r"(?i)(?<=\bmodel: )(?<!\bthis model: )[\w.:/@-]*\w(?=\W*$)"),
    ("<model>", r"(?i)(?<=\bmodel ID )(?!was|is)[\w.:/@-]*\w"),
    ("<model>", r"(?i)[\w.:/@-]*\w(?= is not (?:a valid model\b|found for API version\b))"),
    (
        "<model>",
        (
            rf"(?i)(?<=\bmodel )(?!(?:{_NO_MODEL})\b)[a-z][\w.:/@-]*"
            r"(?= (?:is|does|was|has|cannot|not)\b)"
        ),
    ),
    ("<value>", r"\b[a-z]+:[a-z][a-z_]+\b(?!/)"),
    (
        "<model>",
        r"(?<![\w./<@-])(?=[\w./:-]*[A-Z\d-])[A-Za-z][\w.-]{0,60}(?:/[\w.-]+){1,5}(?::[\w.-]+)?(?<![.:])",
    ),
    ("<model>", r"(?<![\w./<@-])[A-Za-z][\w.-]{0,60}(?:/[\w.-]+){2,5}\b"),
    ("<time>", rf"\b{_DAY}(?:[T ]{_CLOCK}(?:\s?{_ZONE})?)?"),
    ("<time>", rf"\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\w*,? \d\d?[ -]\w{{3}}[ -]\d{{4}} {_CLOCK} \w+"),
    ("<time>", rf"\b(?:{_MONTHS})[a-z]* \d\d?(?:st|nd|rd|th)?,? \d{{4}}\b"),
    (
        "<time>",
        (
            r"(?<![\w.:])\d?\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?: ?[AaPp][Mm]\b)?"
            r"(?: (?:UTC|GMT)\b)?(?![\w:])"
        ),
    ),
    ("<id>", r"(?i)\b[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}\b"),
    ("<id>", r"\b(?:org|organization|proj|project|user|acct)[-_](?=\w*[A-Z\d])\w{5,}"),
    ("<id>", r"(?<=\borganization )(?!id\b)[\w*-]*[\d*_-][\w*-]*"),
    ("<id>", rf"\b(?:{_ID_PREFIXES})[-_](?=[\w-]*\d)[\w-]{{5,}}"),
    ("<id>", r"(?i)\b0x[\da-f]+\b|\bsha256[-:][\da-f]+\b"),
    ("<id>", r"(?i)\b(?=[a-f]*\d)(?=\d*[a-f])[\da-f]{8,64}\b"),
    ("<host>", r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b|\[[\da-f:]*::[\da-f:]*\](?::\d+)?"),
    ("<host>", r"\blocalhost(?::\d+)?\b"),
    ("<host>", r"(?<![\w.-])[\w-]{1,63}(?:\.[\w-]{1,63}){0,6}:\d{2,5}\b(?!\.\d)"),
    ("<host>", rf"(?<![\w.-])(?:[a-z\d-]{{1,63}}\.){{1,6}}(?:{_TOP_LEVEL})\b"),
    ("<path>", r"(?<![\w</])(?:/[\w.@~-]+){2,}|\b[A-Z]:\\[\w\\.-]+"),
    ("<duration>", r"(?<![\w.])(?:\d+(?:\.\d+)?(?:ms|us|µs|ns|d|h|m|s))+(?!\w)"),
    ("<duration>", rf"(?<![\w.])\d+(?:\.\d+)?[ -]?(?:milli|micro)?(?:{_TIME_WORDS})\b"),
    ("<size>", r"(?<![\w.])\d+(?:[.,]\d+)* ?(?:[KMGT]i?B|bytes?|[kKmMgG][bB])\b"),
    ("<id>", r"\*{4,}[^\s*<>]{1,8}(?=\s)"),  # a key's end, with what was copied along
    (
        "<id>",
        r"\b(?:[A-Za-z]{2,12}[-_])?(?:\*{3,}|[xX]{2,}(?!\w)|[xX]{3,}|\.{3}(?=[>]))[\w*-]*|(?<![\w-])[a-z]{3,4}-xx\b|\*{3,}",
    ),
    ("<id>", rf"(?<![\w-]){_LETTERS_AND_DIGITS}[\w-]{{12,}}\b"),
    ("<id>", r"(?<![\w./<-])(?=[\w.-]*\d)[A-Za-z\d][\w.]*(?:-[\w.]*\w){1,10}(?![\w-])"),
    (
        "<id>",
        rf"(?<![\w./<-])(?!x-)(?![a-z-]*\b(?:{_JOINTS})\b)[a-z]+(?:-[a-z]+){{2,10}}(?![\w-])",
    ),
    ("<n>", r"(?<![\w.<])-?\d+(?:[,._]\d+)*(?:e\d+|[kKMB])?%?(?![\w>])"),
)

_LIST: Final = re.compile(r"(?P<kind><\w+>)(?:(?:,| and| or|, and|, or|,? &)? ?(?P=kind))+")
_SPACE: Final = re.compile(r"\s+")


def mask(text: str) -> str:
    """Return `text` with what varies replaced, on one line."""
    text = _QUOTED.sub(_quoted, _SPACE.sub(" ", text))
    for kind, pattern in _compiled():
        text = pattern.sub(kind, text)
    return _LIST.sub(r"\g<kind>", text).strip()


@cache
def _compiled() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Compile the masks at the first failure: an application that never fails pays nothing."""
    return tuple((kind, re.compile(pattern)) for kind, pattern in _MASKS)


def _quoted(found: re.Match[str]) -> str:
    """Keep the name of a part of the request, mask any other quoted value."""
    root = _ROOT_OF_PATH.match(found["text"])
    if root and root[0] in _PARAMETERS and " " not in found["text"]:
        return found[0]
    before = found.string[max(0, found.start() - 24) : found.start()]
    is_named = _NAMED.search(before) or _NAMED_BEHIND.match(found.string, found.end())
    if is_named and _IDENTIFIER.fullmatch(found["text"]):
        return found[0]
    return "<value>"
