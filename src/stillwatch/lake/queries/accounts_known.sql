-- The accounts as they stood at $as_of: a closure, a restoration or a declaration that came later
-- was not known then.
select
  * exclude (status, closed_at, closed_reason, restored_at, organization_id),
  case when closed_at >= moment($as_of) then 'active' else status end as status,
  case when closed_at >= moment($as_of) then null else closed_at end as closed_at,
  case when closed_at >= moment($as_of) then null else closed_reason end as closed_reason,
  case when restored_at >= moment($as_of) then null else restored_at end as restored_at,
  case when organization_since >= moment($as_of) then null else organization_id end
    as organization_id
from raw_accounts
where account_id is not null
  and (created_at is null or created_at < moment($as_of))
