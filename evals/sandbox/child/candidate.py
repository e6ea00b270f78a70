def become(code, channel): raise SystemExit
