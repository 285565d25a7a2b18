"""A web service that answers from a cache, which a stream keeps fresh: python settings_cache_flask.py URL

Events of the type "set" carry a name and a value, those of the type "delete" a name.
With gunicorn: gunicorn -c gunicorn_conf.py 'settings_cache_flask:create_app("URL")'
"""

import sys
import threading

import flask

from sse_client import EventSource, Listener


class Settings:
    def __init__(self, url):
        self.values = {}
        self.fresh = threading.Event()
        self.listener = Listener(EventSource(url))
        self.listener.on("set", self.set)
        self.listener.on("delete", lambda event: self.values.pop(event.json()["name"], None))
        self.listener.on_open(lambda event: self.fresh.set())
        self.listener.on_error(lambda event: self.fresh.clear())

    def set(self, event):
        change = event.json()
        self.values[change["name"]] = change["value"]

    def follow(self):
        self.listener.start()  # in the process that serves: a thread is not copied by a fork


def create_app(url):
    app = flask.Flask(__name__)
    settings = app.extensions["settings"] = Settings(url)

    @app.get("/settings/<name>")
    def setting(name):
        if name not in settings.values:
            flask.abort(404)
        return flask.jsonify(value=settings.values[name], fresh=settings.fresh.is_set())

    @app.get("/health")
    def health():
        alive = settings.listener.is_alive()
        return flask.jsonify(alive=alive, fresh=settings.fresh.is_set()), 200 if alive else 503

    return app


if __name__ == "__main__":
    application = create_app(sys.argv[1])
    application.extensions["settings"].follow()
    application.run(port=int(sys.argv[2]) if len(sys.argv) > 2 else 8000)
