curl http://localhost:10999/health/liveliness
