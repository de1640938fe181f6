"""Vercel AI SDK from version 7, by `@ai-sdk/otel`: plain conventions, one span for all attempts."""

from typing import Final

from goldseam.collector.dialects.dialect import Dialect

VERCEL_OTEL: Final = Dialect(id="V7", name="Vercel AI SDK 7, `@ai-sdk/otel`", scopes=("gen_ai",))
