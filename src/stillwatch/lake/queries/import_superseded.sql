-- The stored rows that the merged ones take the place of, and when.
select $columns, timestamptz $now as superseded_at
from (
    select $columns from every_row where _ordinal = -1
    except
    select $columns from merged
)
order by $keys
