-- What steps would have met, had they been in force: by campaign and day, how many exchanges that serve the
-- campaign, and how many others of the same accounts, and how many of each would have been refused.
-- Of several steps on an exchange the hardest counts. A throttle lets its budget through, a minute at a time.
-- Reads `attributed` (campaign_id, exchange_id, account_id) and `steps` (campaign_id, account_id, scope,
-- subject, step, rank, requests_per_minute, begins_at, ends_at); of a shape only what serves is known.
with serving as (
  select a.campaign_id, e.exchange_id, e.account_id, e.started_at, e.output_tokens
  from attributed a
  join exchanges e on e.exchange_id = a.exchange_id and e.account_id = a.account_id
),

met as (
  select
    steps.campaign_id,
    e.exchange_id,
    e.started_at,
    steps.step,
    steps.requests_per_minute,
    serving.exchange_id is not null as serves,
    e.output_tokens
  from exchanges e
  join steps on steps.account_id = e.account_id
    and e.started_at >= steps.begins_at
    and e.started_at < steps.ends_at
  left join serving
    on serving.exchange_id = e.exchange_id
    and serving.account_id = e.account_id
    and serving.campaign_id = steps.campaign_id
  where case steps.scope
    when 'account' then true
    when 'credential' then e.credential_id = steps.subject
    when 'conversation' then e.conversation_id = steps.subject
    else serving.exchange_id is not null
  end
  qualify row_number() over (
    partition by steps.campaign_id, e.exchange_id, e.account_id order by steps.rank desc
  ) = 1
),

weighed as (
  select
    *,
    case
      when step in ('verify', 'block') then 1.0
      when step = 'throttle' then 1.0 - least(1.0, requests_per_minute / count(*) over (
        partition by campaign_id, step, date_trunc('minute', started_at)
      ))
      else 0.0
    end as refused
  from met
),

effect as (
  select
    campaign_id,
    cast(date_trunc('day', started_at) as date) as day,
    coalesce(sum(refused) filter (where serves), 0) as refused,
    coalesce(sum(refused) filter (where not serves), 0) as others_refused,
    coalesce(sum(refused * output_tokens) filter (where serves), 0) as tokens_refused,
    count(*) filter (where serves and step = 'withhold') as withheld
  from weighed
  group by campaign_id, day
),

whole as (
  select
    campaign_id,
    cast(date_trunc('day', started_at) as date) as day,
    count(*) as serving,
    coalesce(sum(output_tokens), 0) as tokens
  from serving
  group by campaign_id, day
)

select
  coalesce(whole.campaign_id, effect.campaign_id) as campaign_id,
  coalesce(whole.day, effect.day) as day,
  coalesce(whole.serving, 0) as serving,
  cast(coalesce(whole.tokens, 0) as double) as tokens,
  cast(coalesce(effect.refused, 0) as double) as refused,
  cast(coalesce(effect.others_refused, 0) as double) as others_refused,
  cast(coalesce(effect.tokens_refused, 0) as double) as tokens_refused,
  coalesce(effect.withheld, 0) as withheld
from whole
full join effect on effect.campaign_id = whole.campaign_id and effect.day = whole.day
order by 1, 2
