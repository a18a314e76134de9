"""One file a signal: what an exchange or an account shows, against a stated null."""
