-- Up to $prompts prompts of each campaign, spread over its accounts and the same on every run.
with spread as (
  select
    campaign_id,
    exchange_id,
    account_id,
    started_at,
    row_number() over (
      partition by campaign_id, account_id order by md5(exchange_id), exchange_id
    ) as nth_of_account
  from dossier_exchanges
),
chosen as (
  select *
  from spread
  qualify row_number() over (
    partition by campaign_id order by nth_of_account, md5(exchange_id), exchange_id
  ) <= $prompts
)
select
  chosen.campaign_id,
  chosen.exchange_id,
  chosen.account_id,
  chosen.started_at,
  exchanges.system_text,
  exchanges.input_text
from chosen
join exchanges using (exchange_id, account_id)
order by campaign_id, nth_of_account, md5(exchange_id), exchange_id
