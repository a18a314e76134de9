-- Of one place, which exchanges have all that the events say of them.
update call_matches
set has_news = false
where place = $place
    and exchange_id not in (
        select rows.exchange_id
        from $rows as rows
        join $told as told on told.exchange_id = rows.exchange_id
        where $gains
    )
