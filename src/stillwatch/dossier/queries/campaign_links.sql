-- Links between two members of campaign $campaign_id, strongest first.
select links.account_a, links.account_b, links.kind, links.log_lr
from dossier_links as links
join dossier_members as a on a.account_id = links.account_a and a.campaign_id = $campaign_id
join dossier_members as b on b.account_id = links.account_b and b.campaign_id = $campaign_id
order by links.log_lr desc, links.account_a, links.account_b, links.kind
limit $links
