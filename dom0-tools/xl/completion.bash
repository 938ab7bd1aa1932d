# SPDX-License-Identifier: MIT
# Completion of xl for bash: verbs, their options, domains, configuration files. Installed as
# /usr/share/bash-completion/completions/xl. All of it comes from xl itself, so it knows what this xl knows.

_xl_domains()
{
	xl list 2>/dev/null | awk 'NR > 1 { print $1; print $2 }'
}

_xl_verbs()
{
	xl help 2>/dev/null | awk '/^Not there yet/ { exit } /^ [a-z]/ { print $1 }'
}

# The options in a verb's help: words that begin its lines.
_xl_options()
{
	xl help "$1" 2>/dev/null | grep -o -E '^(-[A-Za-z]|--[a-z_-]+)|, --[a-z_-]+' | tr -d ', '
}

_xl()
{
	local word=${COMP_WORDS[COMP_CWORD]} verb= position=0 i words=
	COMPREPLY=()

	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-*) ;;
		*)
			if [ -z "$verb" ]; then
				verb=${COMP_WORDS[i]}
			else
				position=$((position + 1))
			fi
			;;
		esac
	done
	if [ -z "$verb" ]; then
		case $word in
		-*) words="-v -N -f -t -T" ;;
		*) words=$(_xl_verbs) ;;
		esac
	elif [[ $word == -* ]]; then
		words=$(_xl_options "$verb")
	else
		case $verb:$position in
		help:0) words=$(_xl_verbs) ;;
		create:*|config-update:1|dump-core:1)
			COMPREPLY=($(compgen -f -- "$word"))
			return
			;;
		trigger:1) words="nmi reset init power sleep s3resume" ;;
		vcpu-pin:1|vcpu-pin:2|vcpu-pin:3) words=all ;;
		sched-credit*:*) case ${COMP_WORDS[COMP_CWORD - 1]} in -d) words=$(_xl_domains) ;; esac ;;
		cpupool-*:0) words=$(xl cpupool-list 2>/dev/null | awk 'NR > 1 { print $1 }') ;;
		domid:*|domname:*|*-list:*|list:*|uptime:*) words=$(_xl_domains) ;;
		info:*|dmesg:*|debug-keys:*|top:*|claims:*) ;;
		*:0) words=$(_xl_domains) ;;
		esac
	fi
	COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -F _xl xl
