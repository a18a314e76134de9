-- One row an account where some have several. What the rows agree on, or only one says, counts; what
-- they contradict each other in counts as unknown and ties nobody. Sign-up is the earliest. A
-- declaration protects, so the best verified and longest standing one counts, and a plan that
-- declares.
alter view accounts rename to accounts_shipped;

create view accounts as
select
  account_id,
  min(created_at) as created_at,
  first(organization_id order by declared, organization_since, organization_id,
    organization_verified) filter (organization_id is not null) as organization_id,
  first(organization_verified order by declared, organization_since, organization_id,
    organization_verified) filter (organization_id is not null) as organization_verified,
  first(organization_since order by declared, organization_since, organization_id,
    organization_verified) filter (organization_id is not null) as organization_since,
  coalesce(
    min(plan) filter (plan in ('enterprise', 'partner')),
    case when min(plan) = max(plan) then min(plan) end
  ) as plan,
  case
    when min(columns(* exclude (account_id, created_at, organization_id, organization_verified,
      organization_since, plan, declared)))
      = max(columns(* exclude (account_id, created_at, organization_id, organization_verified,
      organization_since, plan, declared)))
    then min(columns(* exclude (account_id, created_at, organization_id, organization_verified,
      organization_since, plan, declared)))
  end as "\0"
from (
  select
    *,
    case when organization_verified in ('contract', 'kyc') then 0
      when organization_verified = 'domain' then 1
      else 2 end as declared
  from accounts_shipped
)
group by account_id
