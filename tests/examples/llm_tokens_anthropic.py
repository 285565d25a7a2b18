"""Ask a language model that speaks Anthropic's dialect: python llm_tokens_anthropic.py URL PROMPT"""

import os
import sys

from sse_client import EventSource, EventSourceError, ReconnectPolicy, ResponseRejected


def tokens(url, prompt):
    """Yield the pieces of the answer. Overload (529) is waited for; a question that has an answer is not repeated."""
    source = EventSource(
        url,
        method="POST",
        json={"model": "small", "max_tokens": 1024, "stream": True, "messages": [{"role": "user", "content": prompt}]},
        headers={"x-api-key": os.environ.get("API_KEY", ""), "anthropic-version": "2023-06-01"},
        reconnect=ReconnectPolicy(until_open=True, max_attempts=5),
        response_timeout=600,
    )
    with source:
        for event in source:
            if event.type == "content_block_delta":
                yield event.json()["delta"].get("text", "")  # a delta may be of another kind: thinking, JSON for a tool
            elif event.type == "error":
                raise RuntimeError(event.json()["error"]["message"])
            elif event.type == "message_stop":
                return
            # All others need nothing: ping, message_start, content_block_start and what is invented next year.
    raise RuntimeError("the answer ends before message_stop")


def main(url, prompt):
    try:
        for token in tokens(url, prompt):
            print(token, end="", flush=True)
        print()
    except ResponseRejected as error:
        sys.exit(f"{error}: {error.text}")
    except (EventSourceError, RuntimeError) as error:
        sys.exit(f"\n{error}")


if __name__ == "__main__":
    main(*sys.argv[1:])
