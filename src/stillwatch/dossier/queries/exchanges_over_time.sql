-- Exchanges and active accounts of campaign $campaign_id, by $unit.
select
  date_trunc($unit, started_at) as bucket,
  count(*) as exchanges,
  count(distinct account_id) as accounts
from dossier_exchanges
where campaign_id = $campaign_id
group by bucket
order by bucket
