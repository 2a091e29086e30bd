/** The sign: where to go back to. */
export function Segno() {
  return (
    <svg className="segno" viewBox="0 0 24 24" aria-hidden="true">
      <g fill="none" stroke="currentColor" strokeLinecap="round">
        <path
          d="M16.300 6.700c-.9-2.300-3.700-3.100-5.900-1.900-2.300 1.300-2.700 4-.5 5.500 1.300.9 3.400 1.300 4.700 2.200 2.200 1.700 1.900 4.700-.5 6-2.300 1.200-5 .4-5.900-2"
          strokeWidth="2.100"
        />
        <path d="M18.400 3.600 5.800 20.400" strokeWidth="1.600" />
      </g>
      <circle cx="5.900" cy="10.600" r="1.400" fill="currentColor" />
      <circle cx="18.300" cy="13.400" r="1.400" fill="currentColor" />
    </svg>
  );
}
