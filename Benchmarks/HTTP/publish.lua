-- wrk: publishes a job with each request.
wrk.method = "POST"
wrk.body = '{"to": "ada@example.com"}'
wrk.headers["Content-Type"] = "application/json"
