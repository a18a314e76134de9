-- The functions of the named queries that DuckDB calls otherwise or has not. Each stands in
-- prelude_spark.sql, too, or is built into Spark.
create macro moment(written) as written::timestamptz;

-- 60 bits of md5: the same in every engine, and a signed 64-bit column holds it.
create macro stable_hash(written) as ('0x' || substr(md5(written), 1, 15))::bigint;

-- Numbers for texts, quickly: they tell different texts apart, now and then two have one. They differ
-- between engines and releases, and may never leave a query.
create macro quick_number(written) as hash(written);

create macro quick_number_of_two(one, other) as hash(one, other);

-- The shortest decimal that reads as the same number.
create macro number_text(number) as cast(number as varchar);

-- The values of a JSON object as text; of no object none.
create macro json_values(written) as
  case when json_valid(written) then json_extract_string(written, '$.*') end;

create macro place_counts(exchanges, serving, first_other) as
  {'exchanges': exchanges, 'serving': serving, 'first_other': first_other};

create macro explode(items) as unnest(items);

create macro array_size(items) as len(items);

create macro try_element_at(items, place) as list_extract(items, place);
