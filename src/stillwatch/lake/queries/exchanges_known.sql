-- The exchanges that were known at $as_of. Rows without id, account or time are left out
-- (and counted where the log is read).
select *
from raw_exchanges
where exchange_id is not null
  and account_id is not null
  and started_at < moment($as_of)
  and started_at >= moment('2015-01-01 00:00:00+00')
