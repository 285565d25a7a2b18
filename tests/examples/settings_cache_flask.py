"""A web service that answers from a cache, which a stream keeps fresh: python settings_cache_flask.py URL

Events of the type "set" carry a name and a value, those of the type "delete" a name.
"""

import sys
import threading

import flask

from sse_client import EventSource, Listener

SETTINGS = {}
FRESH = threading.Event()


def create_app(url):
    app = flask.Flask(__name__)
    listener = Listener(EventSource(url))

    @listener.on("set")
    def set_value(event):
        change = event.json()
        SETTINGS[change["name"]] = change["value"]

    @listener.on("delete")
    def delete(event):
        SETTINGS.pop(event.json()["name"], None)

    listener.on_open(lambda event: FRESH.set())
    listener.on_error(lambda event: FRESH.clear())

    @app.get("/settings/<name>")
    def setting(name):
        if name not in SETTINGS:
            flask.abort(404)
        return flask.jsonify(value=SETTINGS[name], fresh=FRESH.is_set())

    @app.get("/health")
    def health():
        alive = listener.is_alive()
        return flask.jsonify(alive=alive, fresh=FRESH.is_set()), 200 if alive else 503

    listener.start()  # in the process that serves: a thread does not live through a fork
    app.extensions["settings_listener"] = listener
    return app


if __name__ == "__main__":
    create_app(sys.argv[1]).run(port=int(sys.argv[2]) if len(sys.argv) > 2 else 8000)
