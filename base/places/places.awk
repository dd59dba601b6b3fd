# places.awk - iata.csv and vendors.csv into the tables of base/places.c. Run with LC_ALL=C, so that length() counts bytes:
#   awk -v out=places_table.h -f places.awk iata.csv vendors.csv
# An airport that no CDN was seen to use keeps its country and coordinates; the names of thousands of villages would make every agent
# a fifth larger. Texts are "CCCity", each once, at even offsets, so that 16 bits reach all of them.

function fail(why) {
	printf "%s:%d: %s\n", FILENAME, FNR, why > "/dev/stderr"
	failed = 1
	exit 1
}

function hundredths(degrees) {
	if (degrees !~ /^-?[0-9]+\.[0-9][0-9]$/)
		fail("want degrees with two decimals: " degrees)
	return degrees < 0 ? -int(-degrees * 100 + 0.5) : int(degrees * 100 + 0.5)
}

function text_at(country, city,    text, pad) {
	text = country city
	if (country !~ /^[A-Z][A-Z]$/ || city ~ /["\\]/)
		fail("want a country of two letters and a plain city: " text)
	if (!(text in at)) {
		pad = length(text) % 2 ? "" : "\\0" # with the NUL that ends it, even
		texts = texts "\t\"" text "\\0" pad "\"\n"
		at[text] = n_bytes / 2
		n_bytes += length(text) + (length(text) % 2 ? 1 : 2)
	}
	return at[text]
}

BEGIN { FS = "," }
/^#/ { next }

FILENAME ~ /iata.csv$/ {
	if (NF != 7 || $1 !~ /^[A-Z][A-Z][A-Z]$/ || ($2 != "airport" && $2 != "city") || $1 <= last)
		fail("want code,type,city,country,latitude,longitude,used_by, in order")
	last = $1
	codes = codes "\tCODE(" "'" substr($1, 1, 1) "', '" substr($1, 2, 1) "', '" substr($1, 3, 1) "'),\n"
	iata = iata "\t{ " hundredths($5) ", " hundredths($6) ", " text_at($4, $2 == "city" || $7 != "" ? $3 : "") " },\n"
	n_iata++
	next
}

{
	if (NF != 7 || $1 == "" || $2 == "" || $7 == "")
		fail("want vendor,code,city,country,latitude,longitude,source")
	if ($1 ":" $2 <= last_key)
		fail("out of order: " $1 ":" $2)
	last_key = $1 ":" $2
	vendors = vendors "\t{ \"" last_key "\", { " hundredths($5) ", " hundredths($6) ", " text_at($4, $3) " } },\n"
	n_vendors++
}

END {
	if (failed)
		exit 1
	if (n_iata == 0 || n_vendors == 0 || n_bytes / 2 > 65535) {
		print "places.awk: a table is empty, or the texts are too long for 16 bits" > "/dev/stderr"
		exit 1
	}
	print "/* Made by base/places/places.awk. CC BY-SA 4.0, see base/places/README.md. */" > out
	printf "static const char place_texts[] =\n%s\t;\n", texts > out
	printf "static const uint16_t iata_codes[] = {\n%s};\n", codes > out
	printf "static const struct place_row iata_rows[] = {\n%s};\n", iata > out
	printf "static const struct vendor_row vendor_rows[] = {\n%s};\n", vendors > out
}
