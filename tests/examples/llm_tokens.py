"""Ask a language model and print its answer as it is written: python llm_tokens.py URL PROMPT"""

import os
import sys

from sse_client import EventSource, EventSourceError


def tokens(url, prompt):
    """Yield the pieces of the answer. One request; it is not repeated, so nothing is paid for twice."""
    source = EventSource(
        url,
        method="POST",
        json={"model": "small", "stream": True, "messages": [{"role": "user", "content": prompt}]},
        headers={"Authorization": "Bearer " + os.environ.get("API_KEY", "")},
    )
    with source:
        for event in source:
            if event.data == "[DONE]":
                return
            yield event.json()["choices"][0]["delta"].get("content", "")


def main(url, prompt):
    try:
        for token in tokens(url, prompt):
            print(token, end="", flush=True)
        print()
    except EventSourceError as error:
        sys.exit(f"\n{error}")


if __name__ == "__main__":
    main(*sys.argv[1:])
