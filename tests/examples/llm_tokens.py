"""Ask a language model and print its answer as it is written: python llm_tokens.py URL PROMPT"""

import os
import sys

from sse_client import EventSource, EventSourceError, ReconnectPolicy, ResponseRejected


def tokens(url, prompt):
    """Yield the pieces of the answer. Once it has begun, the question is not sent again, and not paid for twice."""
    source = EventSource(
        url,
        method="POST",
        json={"model": "small", "stream": True, "messages": [{"role": "user", "content": prompt}]},
        headers={"Authorization": "Bearer " + os.environ.get("API_KEY", "")},
        reconnect=ReconnectPolicy(until_open=True, max_attempts=5),
        response_timeout=600,  # it may think for long before it begins
    )
    with source:
        for event in source:
            if event.data == "[DONE]":
                return
            if not event.data:
                continue  # a heartbeat
            part = event.json()
            if part.get("error"):
                raise RuntimeError(part["error"])
            for choice in part["choices"]:
                yield choice["delta"].get("content") or ""
    raise RuntimeError("the answer ends before [DONE]")


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
