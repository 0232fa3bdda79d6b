"""What is said to a model server, in the two forms that OpenAI gave it.

Chat Completions is understood by all servers, and streamed. The Responses API is asked where a
reply is to be a sentence of a grammar and the server is OpenAI's, which takes Lark nowhere else.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from lapt_rules.authors.api.wire import parsed
from lapt_rules.authors.backend import Message, Request, ToolCall

GRAMMAR_TOOL = "principles"


def chat_body(
    model: str, request: Request, most: int, extra: Mapping[str, Any], refused: Collection[str]
) -> dict[str, Any]:
    """A Chat Completions request without the parameters that the server has `refused`."""
    limit = "max_completion_tokens" if "max_tokens" in refused else "max_tokens"
    body = {
        "model": model,
        "messages": [_turn(message) for message in request.messages],
        limit: most,
        "temperature": request.temperature,
        "seed": request.seed,
        "stream": True,
        "stream_options": {"include_usage": True},
        **extra,
    }
    if request.tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": tool.parameters,
                },
            }
            for tool in request.tools
        ]
    return {name: value for name, value in body.items() if name not in refused}


def _turn(message: Message) -> dict[str, Any]:
    turn: dict[str, Any] = {"role": message.role, "content": message.text}
    if message.role == "tool":
        turn["tool_call_id"] = message.answers
    if message.calls:
        turn["tool_calls"] = [
            {
                "id": call.identity,
                "type": "function",
                "function": {"name": call.name, "arguments": _arguments(call)},
            }
            for call in message.calls
        ]
    return turn


def _arguments(call: ToolCall) -> str:
    """As the model wrote them, or `{}` for what is no object: servers refuse to be told of it."""
    found = parsed(call.arguments.encode())
    return call.arguments if isinstance(found, dict) else "{}"


def responses_body(
    model: str, request: Request, most: int, refused: Collection[str]
) -> dict[str, Any]:
    """A Responses request whose answer is the input of a tool that takes a sentence of the grammar.

    The tools of the request are left out, since the model has to call this one.
    """
    body: dict[str, Any] = {
        "model": model,
        "input": [item for message in request.messages for item in _items(message)],
        "max_output_tokens": most,
        "temperature": request.temperature,
        "store": False,
        "tools": [
            {
                "type": "custom",
                "name": GRAMMAR_TOOL,
                "format": {"type": "grammar", "syntax": "lark", "definition": request.grammar},
            }
        ],
        "tool_choice": {"type": "custom", "name": GRAMMAR_TOOL},
        "parallel_tool_calls": False,
    }
    if "temperature" in refused:
        del body["temperature"]
    return body


def _items(message: Message) -> list[dict[str, Any]]:
    text = message.text
    if message.role == "tool":
        return [{"type": "function_call_output", "call_id": message.answers, "output": text}]
    items: list[dict[str, Any]] = [
        {
            "type": "function_call",
            "call_id": call.identity,
            "name": call.name,
            "arguments": _arguments(call),
        }
        for call in message.calls
    ]
    return [{"role": message.role, "content": text}, *items] if text or not items else items
