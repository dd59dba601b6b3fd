# Writes a C file that holds FILES as they are: cmake -DOUT=x.c -DFILES="a;b" -DKIND=assets|blob [-DNAME=symbol] -P embed.cmake
# The bytes come by .incbin, so that a megabyte of page costs the compiler nothing; ETags are the contents' SHA-256.
set(types
  html "text/html" js "text/javascript" css "text/css"
  svg "image/svg+xml" png "image/png" ico "image/x-icon" json "application/json" woff2 "font/woff2")

function(blob_text symbol file result)
  set(${result} "__asm__(\".section .rodata\\n\\t.global ${symbol}_start\\n${symbol}_start:\\n\\t.incbin \\\"${file}\\\"\\n\"
	\"\\t.global ${symbol}_end\\n${symbol}_end:\\n\\t.byte 0\\n\\t.previous\\n\");\n" PARENT_SCOPE)
endfunction()

if(KIND STREQUAL "blob")
  blob_text(${NAME} ${FILES} text)
  file(WRITE ${OUT} "/* made by embed.cmake */\n${text}extern const unsigned char ${NAME}_start[], ${NAME}_end[];\n")
  return()
endif()

set(text "/* made by embed.cmake */\n#include \"collector/http/server.h\"\n\n")
set(rows "")
set(n 0)
foreach(file ${FILES})
  get_filename_component(name ${file} NAME)
  string(REGEX REPLACE ".*\\." "" extension ${name})
  list(FIND types ${extension} at)
  if(at EQUAL -1)
    message(FATAL_ERROR "embed.cmake: no content type for ${name}; add it to the list")
  endif()
  math(EXPR at "${at} + 1")
  list(GET types ${at} type)
  if(extension MATCHES "^(html|js|css)$")
    string(APPEND type "; charset=utf-8")
  endif()
  file(SHA256 ${file} hash)
  string(SUBSTRING ${hash} 0 32 hash)
  blob_text(asset_${n} ${file} one)
  string(APPEND text "${one}extern const unsigned char asset_${n}_start[], asset_${n}_end[];\n")
  string(APPEND rows "\t{ \"/${name}\", \"${type}\", \"\\\"${hash}\\\"\", asset_${n}_start, asset_${n}_end },\n")
  math(EXPR n "${n} + 1")
endforeach()
if(n EQUAL 0)
  set(rows "\t{ 0 },\n")
endif()
file(WRITE ${OUT} "${text}\nconst struct asset assets[] = {\n${rows}};\nconst size_t n_assets = ${n};\n")
