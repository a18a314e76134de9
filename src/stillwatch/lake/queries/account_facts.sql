-- What each account declared and how it pays, one row an account.
select
  account_id,
  organization_id,
  organization_verified,
  epoch_us(organization_since) as organization_since,
  plan,
  email_domain,
  payment_token,
  signup_net_token,
  status,
  epoch_us(created_at) as created_at,
  epoch_us(closed_at) as closed_at
from accounts
order by account_id
