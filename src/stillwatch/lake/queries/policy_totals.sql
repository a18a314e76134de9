-- The whole log: how many accounts send to it, how many output tokens they were billed, and its first
-- and last exchange.
select
  min(started_at) as first_at,
  max(started_at) as last_at,
  count(distinct account_id) as accounts,
  cast(coalesce(sum(output_tokens), 0) as bigint) as output_tokens
from exchanges
