-- Links between two members of campaign $campaign_id: the strongest of each member first, so that
-- nobody who is tied stands alone in the picture, then the next strongest of each.
with inside as (
  select links.account_a, links.account_b, links.kind, links.log_lr
  from dossier_links as links
  join dossier_members as a on a.account_id = links.account_a and a.campaign_id = $campaign_id
  join dossier_members as b on b.account_id = links.account_b and b.campaign_id = $campaign_id
),

ends as (
  select account_a as account, account_a, account_b, kind, log_lr from inside
  union all
  select account_b as account, account_a, account_b, kind, log_lr from inside
),

ranked as (
  select
    account_a,
    account_b,
    kind,
    log_lr,
    row_number() over (
      partition by account order by log_lr desc, account_a, account_b, kind
    ) as place
  from ends
)

select account_a, account_b, kind, log_lr
from ranked
group by account_a, account_b, kind, log_lr
order by min(place), log_lr desc, account_a, account_b, kind
limit $links
