-- The accounts as they stood at $as_of: a closure, a restoration or a declaration that came later
-- was not known then.
create view accounts as
select
  * replace (
    case when closed_at >= timestamptz $as_of then 'active' else status end as status,
    case when closed_at >= timestamptz $as_of then null else closed_at end as closed_at,
    case when closed_at >= timestamptz $as_of then null else closed_reason end as closed_reason,
    case when restored_at >= timestamptz $as_of then null else restored_at end as restored_at,
    case when organization_since >= timestamptz $as_of then null else organization_id end
      as organization_id
  )
from raw_accounts
where account_id is not null
  and (created_at is null or created_at < timestamptz $as_of)
