-- A row that says an account is active again says its dates, too: those of the closure before it go,
-- unless they are told with a restoration.
update merged
set $cleared
from (
    select account_id, $said
    from every_row
    join (
        select account_id, max(_ordinal) filter (where status <> 'active') as closed_by
        from every_row
        group by account_id
        having arg_max(status, _ordinal) = 'active'
    ) using (account_id)
    where _ordinal > closed_by
    group by account_id
) as reopened
where merged.account_id = reopened.account_id
    and $not_restored
