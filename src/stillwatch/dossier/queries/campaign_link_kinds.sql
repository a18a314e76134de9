-- How often each kind of link joins two members of campaign $campaign_id.
select
  links.kind,
  count(*) as pairs,
  median(links.log_lr) as median_log_lr,
  max(links.log_lr) as greatest_log_lr
from dossier_links as links
join dossier_members as a on a.account_id = links.account_a and a.campaign_id = $campaign_id
join dossier_members as b on b.account_id = links.account_b and b.campaign_id = $campaign_id
group by links.kind
order by pairs * median_log_lr desc, links.kind
