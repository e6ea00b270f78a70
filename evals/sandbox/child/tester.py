def become(tests, kind, channel, report): raise SystemExit
