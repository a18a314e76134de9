-- Exchanges of campaign $campaign_id by hour of the day, in UTC.
select hour(started_at) as hour_of_day, count(*) as exchanges
from dossier_exchanges
where campaign_id = $campaign_id
group by hour_of_day
