-- What each account sent in with its requests, a row an account and day (UTC): how many exchanges
-- presented reasoning blocks, were a later turn of a named conversation or carried a history, and how
-- many of those had a history that holds no answer of ours. The first answer is the second message, or the third
-- where a request had failed.
with sent as (
  select
    account_id,
    started_at,
    exchange_id,
    coalesce(array_size(reasoning_signatures_presented) > 0, false) as presents,
    coalesce(turn_index > 0, false) and conversation_id is not null as goes_on,
    coalesce(array_size(prefix_digests) > 1, false) as carries,
    try_element_at(prefix_digests, 2) as second,
    try_element_at(prefix_digests, 3) as third
  from exchanges
  where array_size(reasoning_signatures_presented) > 0
    or array_size(prefix_digests) > 1
    or turn_index > 0
),

-- Only of answers that somebody sends again.
answers as (
  select output_digest as digest, min(started_at) as given_at
  from exchanges
  where output_digest in (select second from sent union all select third from sent)
  group by output_digest
),

judged as (
  select
    sent.*,
    carries
      and coalesce(other.given_at >= sent.started_at, true)
      and coalesce(another.given_at >= sent.started_at, true) as foreign_history
  from sent
  left join answers as other on other.digest = sent.second
  left join answers as another on another.digest = sent.third
)

select
  account_id,
  epoch_us(date_trunc('day', started_at)) as day,
  count(*) filter (where presents) as presenting,
  count(*) filter (where goes_on) as going_on,
  count(*) filter (where carries) as carrying,
  count(*) filter (where foreign_history) as foreign_history,
  coalesce(
    min_by(exchange_id, (started_at, exchange_id)) filter (where foreign_history), ''
  ) as example
from judged
group by account_id, day
order by account_id, day
