-- The credentials with which each of the accounts in `wanted` was seen, or that are said to be its.
select distinct account_id, credential_id
from ($sources)
where credential_id is not null
  and account_id in (select account_id from wanted)
order by account_id, credential_id
