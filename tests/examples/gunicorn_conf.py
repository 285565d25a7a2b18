"""Start the listener in each worker: gunicorn -c gunicorn_conf.py 'settings_cache_flask:create_app("URL")'

With preload_app or without it, sync, gthread or gevent: this hook runs in the worker, after the fork and after the
application has been loaded. (post_fork runs too early for an application that is not preloaded.)
"""


def post_worker_init(worker):
    worker.wsgi.extensions["settings"].follow()
