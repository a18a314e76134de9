-- Hour of the day of all exchanges that are attributed to no campaign: the baseline.
-- Each account counts once, by the shares of its own hours, so that one busy machine
-- does not speak for everybody.
with hours as (
  select account_id, hour(started_at) as hour_of_day, count(*) as exchanges
  from exchanges
  where not exists (
    select 1 from dossier_attributed as a
    where a.exchange_id = exchanges.exchange_id and a.account_id = exchanges.account_id
  )
  group by account_id, hour_of_day
),
shares as (
  select hour_of_day, exchanges / sum(exchanges) over (partition by account_id) as share
  from hours
)
select hour_of_day, sum(share) as accounts
from shares
group by hour_of_day
