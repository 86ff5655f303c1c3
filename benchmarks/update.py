"""Benchmark ``update``: one hourly update, from the request to the published manifest."""




_RUN_SECONDS = 300
_POLL_SECONDS = 0.1
