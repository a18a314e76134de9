-- In which columns an account's rows contradict each other: one row an account and column.
select account_id, name
from (
  unpivot (
    select account_id, cast(columns(* exclude (account_id)) as varchar)
    from accounts_shipped
    qualify count(*) over (partition by account_id) > 1
  )
  on columns(* exclude (account_id))
  into name name value value
)
group by account_id, name
having count(distinct value) > 1
order by account_id, name
