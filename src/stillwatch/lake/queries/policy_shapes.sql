-- The shapes of request (model, system text, tools) with which accounts serve a campaign, and how often
-- each is seen in the whole log, whoever sends it: a shape that others have, too, is nobody's mark.
-- Space counts for nothing here, so that a shape is rather seen too often than too rarely.
-- Reads `attributed` (campaign_id, exchange_id, account_id), one row an exchange.
with shaped as (
  select
    exchange_id,
    account_id,
    started_at,
    model,
    system_text,
    tool_names,
    output_tokens,
    md5(concat_ws(
      chr(31),
      trim(model),
      regexp_replace(nfc_normalize(system_text), '\s', '', 'g'),
      array_to_string(list_sort(list_distinct(coalesce(tool_names, []))), chr(30))
    )) as shape
  from exchanges
  where model is not null and length(system_text) >= 40
),

serving as (
  select
    attributed.campaign_id,
    attributed.account_id,
    shaped.shape,
    min(shaped.model) as model,
    min(shaped.system_text) as system_text,
    any_value(shaped.tool_names) as tool_names,
    count(*) as serving,
    max(shaped.started_at) as last_at,
    cast(coalesce(sum(shaped.output_tokens), 0) as bigint) as output_tokens
  from attributed
  join shaped using (exchange_id, account_id)
  group by attributed.campaign_id, attributed.account_id, shaped.shape
),

-- Of a shape: what serves the campaign, over all its accounts, and everything.
campaigns as (
  select campaign_id, shape, sum(serving) as serving from serving group by campaign_id, shape
),

everybody as (
  select shape, count(*) as exchanges
  from shaped
  where shape in (select shape from serving)
  group by shape
)

select
  serving.campaign_id,
  serving.account_id,
  serving.model,
  serving.system_text,
  serving.tool_names,
  cast(campaigns.serving as bigint) as serving,
  everybody.exchanges,
  serving.last_at,
  serving.output_tokens
from serving
join campaigns using (campaign_id, shape)
join everybody using (shape)
order by serving.campaign_id, serving.account_id, serving.shape
