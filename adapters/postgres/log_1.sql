create table {events} (
	position bigint primary key,
	id text collate "C" not null unique,
	type text collate "C" not null,
	source text collate "C" not null,
	subject text collate "C",
	tags text[] collate "C",
	time timestamptz not null,
	recorded timestamptz not null,
	more boolean not null,
	data_content_type text collate "C",
	data json,
	data_base64 text collate "C",
	metadata json,
	hash bytea not null
);
create index on {events} (type, position);
create index on {events} (subject, position) where subject is not null;

create table {tags} (
	tag text collate "C",
	position bigint,
	primary key (tag, position)
);

create table {head} (
	one boolean primary key default true check (one),
	log text not null,
	format integer not null,
	position bigint not null,
	hash bytea not null,
	recorded timestamptz,
	closed boolean not null
);
insert into {head} (log, format, position, hash, closed)
values (replace(gen_random_uuid()::text, '-', ''), 0, 0, decode(repeat('00', 32), 'hex'), false);
