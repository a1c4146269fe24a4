create table {events} (
	collection text collate "C",
	name text collate "C",
	key bytea not null,
	value bytea not null,
	version text collate "C" not null,
	primary key (collection, name)
);

create table {head} (
	one boolean primary key default true check (one),
	format integer not null
);
insert into {head} (format) values (0);
